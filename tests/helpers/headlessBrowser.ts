import { existsSync } from 'node:fs';
import { type Browser, launch as launchBrowser, type Page } from 'puppeteer-core';

const CHROMIUM = '/usr/bin/chromium';

/** Why tests with a real browser can't run here; undefined where they can. */
export const noBrowser = existsSync(CHROMIUM) ? undefined : `there is no ${CHROMIUM}`;

/** A real browser without a screen. */
export function launch(): Promise<Browser> {
  return launchBrowser({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

/** The person logs in and consents at the test's provider, from its first page on, until the browser is back at `origin`. */
export async function logInAt(page: Page, user: string, origin: string): Promise<void> {
  for (let steps = 0; steps < 5; steps++) {
    await page.waitForSelector('main, form [type=submit]');
    if (new URL(page.url()).origin === origin) return;
    if (await page.$('[name=login]')) {
      await page.type('[name=login]', user);
      await page.type('[name=password]', 'whatever');
    }
    await Promise.all([page.waitForNavigation(), page.click('form [type=submit]')]);
  }
  throw new Error(`the login goes round in circles, last at ${page.url()}`);
}
