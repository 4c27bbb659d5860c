// Drives a Chromium that is running: an order a line on stdin, an answer a line on stdout, both JSON.
// It judges nothing, and it waits for no state of a page: what must be so, and by when, is the test's
// to say. It ends when its stdin does.
'use strict';

const readline = require('node:readline');
const { chromium } = require('playwright-core');

const VIEW = { width: 1280, height: 900 };
// Of one order. A page that takes longer than this to open is no page.
const LIMIT_MS = 30_000;

// The tab that orders are about: the last that was opened.
let tab;

const orders = {
  open: async ({ url }) => {
    await tab.goto(url, { waitUntil: 'domcontentloaded' });
  },

  // What a person reads, that of embedded pages included; one that is being replaced says nothing.
  text: async () => {
    const texts = tab.frames().map((frame) => frame.locator('body').innerText().catch(() => ''));
    return (await Promise.all(texts)).join('\n');
  },

  // The rows of the tables, each with a line for each cell.
  rows: () => tab.locator('tbody tr').allInnerTexts(),

  // Follows a link by its text, wherever on the page it is, and answers where it leads.
  follow: async ({ text }) => {
    const links = tab.frames().map((frame) => frame.getByRole('link', { name: text, exact: true }));
    const counts = await Promise.all(links.map((link) => link.count()));
    const link = links[counts.findIndex((count) => count > 0)];
    if (!link) throw new Error(`no link says: ${text}`);
    const opened = tab.context().waitForEvent('page');
    await link.click();
    await show(await opened);
    return tab.url();
  },

  screenshot: async ({ path }) => {
    await tab.screenshot({ path });
  },
};

async function show(page) {
  tab = page;
  tab.setDefaultTimeout(LIMIT_MS);
  await tab.setViewportSize(VIEW);
  await tab.waitForLoadState('domcontentloaded');
}

async function carryOut(line) {
  try {
    const { order, ...given } = JSON.parse(line);
    return { done: (await orders[order](given)) ?? null };
  } catch (error) {
    return { failed: error.message };
  }
}

async function main() {
  const browser = await chromium.connectOverCDP(process.argv[2]);
  await show(await browser.contexts()[0].newPage());
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await carryOut(line))}\n`);
  }
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
