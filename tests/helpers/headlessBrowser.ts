import { existsSync } from 'node:fs';
import { type Browser, launch, type Page } from 'puppeteer-core';
import { tempFolder } from './tempFolder.js';

/** Where Debian and others put it; undefined on a machine without one. */
export const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** For tests that need it: `const inBrowser = chromium ? it : it.skip`, and why it was skipped in the name. */
export const whyNot = chromium ? '' : ' (skipped: there is no chromium on this machine)';

/** A real browser without a screen. */
export interface HeadlessBrowser {
  /** A page of a person with cookies of their own. */
  person(): Promise<Page>;
  /** Opens an address, fills every form as `user`, who agrees to everything, and gives the text of the page without a form that it ends at. */
  logIn(address: URL, user: string): Promise<string>;
  close(): Promise<void>;
}

const PAGE_WITHIN_MS = 15_000;
const MOST_PAGES = 8;

/** The browser itself, and how to be rid of it. */
export async function startChromium(): Promise<{ readonly browser: Browser; close(): Promise<void> }> {
  const browser = await launch({
    executablePath: chromium as string,
    headless: true,
    userDataDir: tempFolder('chromium'),
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  return { browser, close: () => browser.close() };
}

export async function startHeadlessBrowser(): Promise<HeadlessBrowser> {
  const { browser, close } = await startChromium();
  const person = async () => {
    const page = await (await browser.createBrowserContext()).newPage();
    page.setDefaultTimeout(PAGE_WITHIN_MS);
    return page;
  };
  return {
    person,
    logIn: async (address, user) => {
      const page = await person();
      try {
        await page.goto(address.href, { waitUntil: 'domcontentloaded' });
        await fillForms(page, user, () => false);
        return await page.$eval('body', (body) => body.textContent ?? '');
      } finally {
        await page.browserContext().close();
      }
    },
    close,
  };
}

/** The person logs in and consents at the test's provider, from its first page on, until the browser is back at `origin`. */
export function logInAt(page: Page, user: string, origin: string): Promise<void> {
  return fillForms(page, user, () => new URL(page.url()).origin === origin);
}

/** Until a page has none, or it is over. */
async function fillForms(page: Page, user: string, isOver: () => boolean): Promise<void> {
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    // Some pages send themselves on.
    await page.waitForNetworkIdle({ idleTime: 250 });
    const button = isOver() ? null : await page.$('[type=submit]:not([name=abort])');
    if (!button) return;
    if (await page.$('input[name=login]')) {
      await page.type('input[name=login]', user);
      await page.type('input[name=password]', 'whatever');
    }
    await Promise.all([page.waitForNavigation({ waitUntil: 'domcontentloaded' }), button.click()]);
  }
  throw new Error(`the login goes round in circles, last at ${page.url()}`);
}
