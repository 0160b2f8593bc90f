import type { Browser, Page } from 'puppeteer-core';

/** A page, and whatever it did that it shouldn't. */
export interface WatchedPage {
  readonly page: Page;
  /** Addresses outside of the page's own origin that it asked for. */
  readonly foreign: readonly string[];
  /** Violations of its policy, scripts that failed, and dialogs that nobody expected. */
  readonly faults: readonly string[];
  /** The text of the rows of a section, cells apart by ` | `. */
  rows(section: string): Promise<string[]>;
  /** Resolves once an expression is true in the page. */
  until(expression: string): Promise<void>;
  /** Shows a token or key. */
  show(token: string): Promise<void>;
}

const WITHIN_MS = 10_000;

/** Opens an address in a context of its own. `answer`: what is said to a question, such as whether one is sure. */
export async function openWatched(browser: Browser, address: string, answer = false): Promise<WatchedPage> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const { origin } = new URL(address);
  const foreign: string[] = [];
  const faults: string[] = [];
  page.setDefaultTimeout(WITHIN_MS);
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) foreign.push(url);
  });
  page.on('pageerror', (error) => faults.push(`script: ${error}`));
  page.on('console', (message) => {
    // The browser itself notes each status past 400.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      faults.push(message.text());
  });
  page.on('dialog', (dialog) => {
    if (dialog.type() !== 'confirm') faults.push(`dialog: ${dialog.message()}`);
    void (answer ? dialog.accept() : dialog.dismiss());
  });
  await page.evaluateOnNewDocument(
    "addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))",
  );
  await page.goto(address, { waitUntil: 'load' });
  return {
    page,
    foreign,
    faults,
    rows: (section) =>
      page.evaluate(
        `[...document.querySelectorAll('#${section} tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent.trim()).join(' | '))`,
      ) as Promise<string[]>,
    until: async (expression) => {
      await page.waitForFunction(expression, { timeout: WITHIN_MS });
    },
    show: async (token) => {
      await page.waitForSelector('#token', { visible: true });
      await page.type('#token', token);
      await page.keyboard.press('Enter');
    },
  };
}
