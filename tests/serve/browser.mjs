// Checks the agent's page in headless Chromium: node browser.mjs URL DIRECTORY. With a third argument SCREENSHOT it only
// takes a screenshot.
//
// DIRECTORY has node_modules with playwright-core and axe-core; CHROMIUM names the browser. Prints a line for each
// check, and figures that are not checked; exits with 1 if a check failed.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [url, directory, screenshot] = process.argv.slice(2);
const require = createRequire(path.resolve(directory, 'here.js'));
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
let failures = 0;

function check(kept, what) {
  console.log(kept ? 'ok     ' : 'FAILED ', what);
  if (!kept) failures += 1;
}

/** Opens a page on which errors, messages on the console, and requests to other hosts are failures. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.on('console', (message) => check(false, `console: ${message.text()}`));
  page.on('pageerror', (error) => check(false, `error: ${error.stack}`));
  page.on('request', (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !/^(data|blob):/.test(to)) check(false, `a foreign request: ${to}`);
  });
  return page;
}

const live = (page) => page.waitForFunction(() => document.getElementById('status').textContent === 'live');
const row = (label) => `#series tbody tr[data-label=${JSON.stringify(label)}]`;
const address = (page) => new URL(page.url()).search;
const isWide = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

async function show(page, model, label) {
  await page.goto(`${url}?${new URLSearchParams({ model, series: label })}`);
  await live(page);
  await page.waitForFunction((label) => document.getElementById('detail-title')?.textContent === label, label);
}

async function accessible(page, name) {
  await page.evaluate(`${axe}; 0`);
  const found = await page.evaluate(async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ impact, id, nodes }) => ({ impact, id, html: nodes[0].html.slice(0, 200) }));
  });
  const serious = found.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  check(serious.length === 0, `axe-core finds nothing serious: ${name} ${JSON.stringify(serious)}`);
}

async function table() {
  const page = await open();
  await page.goto(url);
  await live(page);
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  console.log('figure ', `first paint after ${Math.round(paint)} ms`);
  const value = () => page.locator(`${row('requests')} .value`).textContent();
  await page.fill('#filter', 'requests');
  await page.waitForSelector(row('requests'));
  const before = await value();
  await page.waitForFunction(([selector, before]) => document.querySelector(selector)?.textContent !== before,
    [`${row('requests')} .value`, before], { timeout: 3000 });
  check(true, 'values are live within 3 s');
  const took = await page.evaluate(async () => {
    const filter = document.getElementById('filter');
    const times = [];
    for (const text of ['c', 'co', 'count', 'counter_9', '*99', 'series', '']) {
      const start = performance.now();
      filter.value = text;
      filter.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      times.push(performance.now() - start);
    }
    return Math.max(...times);
  });
  console.log('figure ', `a key press in the filter is answered within ${Math.round(took)} ms`);
  await page.fill('#filter', 'counter_99*');
  await page.waitForSelector(row('counter_990'));
  const labels = await page.locator('#series tbody tr[data-label]:not([hidden])').evaluateAll(
    (rows) => rows.map((one) => one.dataset.label));
  check(labels.length === 5 && labels.every((label) => label.startsWith('counter_99')), `a glob filters: ${labels}`);
  await page.fill('#filter', '');
  await page.click('#series thead th.rate button');
  check(await page.getAttribute('#series thead th.rate', 'aria-sort') !== null, 'columns sort');
  await page.keyboard.press('/');
  check(await page.evaluate(() => document.activeElement.id) === 'filter', 'a slash is the way to the filter');
  const processes = await page.textContent('#processes');
  check(/live/.test(processes), 'processes are shown with their state');
  await page.context().close();
}

async function links() {
  const page = await open();
  await show(page, 'page', 'response');
  await page.selectOption('#range', '300');
  await page.click('#compare');
  const there = await open();
  await there.goto(page.url());
  await live(there);
  await there.waitForFunction(() => document.getElementById('detail-title')?.textContent === 'response');
  check(await there.inputValue('#range') === '300' && await there.getAttribute('#compare', 'aria-pressed') === 'true',
    `a link shows the same view: ${address(there)}`);
  await page.keyboard.press('Escape');
  await page.waitForSelector('#detail', { state: 'hidden' });
  await page.goBack();
  await page.waitForSelector('#detail', { state: 'visible' });
  check(true, 'Escape closes, and back opens again');
  await there.click('#pause');
  await there.waitForFunction(() => document.getElementById('status').textContent === 'paused');
  check(/paused=/.test(address(there)), 'a pause is in the address');
  for (const kind of ['csv', 'json', 'png']) {
    const [download] = await Promise.all([there.waitForEvent('download'), there.click(`#download-${kind}`)]);
    check(fs.statSync(await download.path()).size > 100, `a download as ${kind}`);
  }
  await page.context().close();
  await there.context().close();
}

async function details() {
  const page = await open();
  for (const [label, text] of [['errors', 'ParseIntError'], ['pool', 'waits'], ['release', '<b>1.4.2'], ['tasks', '4.5'], ['response', '4bf92f3577b34da6']]) {
    await show(page, 'page', label);
    await page.waitForFunction((text) => document.getElementById('detail').textContent.includes(text), text);
    check(true, `the detail of ${label} has ${text}`);
  }
  await page.context().close();
}

async function views() {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1440, 360]) {
      const page = await open({ colorScheme, viewport: { width, height: 800 } });
      await page.goto(url);
      await live(page);
      check(!await isWide(page), `the table fits ${width} pixels`);
      await accessible(page, `table, ${colorScheme}, ${width}`);
      await show(page, 'page', 'response');
      await page.waitForSelector('#plots canvas');
      check(!await isWide(page), `the detail fits ${width} pixels`);
      await accessible(page, `detail, ${colorScheme}, ${width}`);
      await page.context().close();
    }
  }
}

/** Takes the picture in README.md: the demo, after a minute. */
async function picture() {
  const page = await open({ viewport: { width: 1440, height: 810 } });
  const from = Math.floor(Date.now() / 1000);
  await page.waitForTimeout(70_000);
  await page.goto(`${url}?${new URLSearchParams({ model: 'demo', series: 'login.response_time', from, to: from + 70 })}`);
  await page.waitForSelector('#plots canvas');
  await page.waitForTimeout(3000);
  await page.screenshot({ path: screenshot });
}

for (const part of screenshot ? [picture] : [table, links, details, views]) {
  await part().catch((error) => check(false, `${part.name}: ${error.stack}`));
}
await browser.close();
console.log(failures ? `${failures} checks failed` : 'all checks kept');
process.exit(failures ? 1 : 0);
