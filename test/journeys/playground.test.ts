import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../src/worker.ts';
import { RedeemCodeDocument, RevokeSessionDocument, ViewerChangedDocument } from '../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { openWindow, startBrowser, type TestWindow } from '../support/browser.ts';
import { newCode } from '../support/codes.ts';
import { buildPlan } from '../support/factories.ts';
import { startPathProxy } from '../support/path-proxy.ts';

let browser: Browser;
let api: TestApi;
let admin: TestUser;
// Chromium may have to be installed first.
beforeAll(async () => {
  [browser, api] = await Promise.all([startBrowser(), startTestApi()]);
  admin = await api.newAdmin();
}, 300_000);
afterAll(async () => {
  await browser.close();
  await api.close();
});

let opened: TestWindow | undefined;
afterEach(() => opened?.close());

async function open(
  ...settings: Parameters<typeof openWindow> extends [unknown, ...infer Rest] ? Rest : never
) {
  opened = await openWindow(browser, ...settings);
  opened.page.setDefaultTimeout(15_000);
  return opened;
}

async function signIn(page: Page, { identifier, secret }: Pick<TestUser, 'identifier' | 'secret'>) {
  await page.getByLabel('E-mail').fill(identifier);
  await page.getByLabel('Password').fill(secret);
  await page.keyboard.press('Enter');
}

const signedIn = (page: Page) => page.getByRole('button', { name: 'Sign out' }).waitFor();
const tasks = (page: Page) => page.getByRole('region', { name: 'Ready-made operations' });

/** Loads a ready-made operation into the editors. */
async function choose(page: Page, title: string) {
  await page.getByLabel('Search operations').fill(title);
  const exact = page.locator('.title', { hasText: new RegExp(`^${title.replace('?', '\\?')} `) });
  await tasks(page).locator('li button', { has: exact }).click();
}

async function fillVariables(page: Page, variables: object) {
  await page.locator('.graphiql-editor-tool .monaco-editor').first().click();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.press('Delete');
  await page.keyboard.type(JSON.stringify(variables));
}

const run = (page: Page) => page.keyboard.press('ControlOrMeta+Enter');
const show = (page: Page, panel: string) =>
  page.getByRole('button', { name: `Show ${panel}`, exact: true }).click();

/**
 * Waits until the response contains the text, and returns it. The editor renders no-break spaces.
 */
async function responseWith(page: Page, text: string): Promise<string> {
  const lines = page.locator('.result-window .view-lines');
  const response = async () => (await lines.innerText()).replaceAll('\u00a0', ' ');
  await expect.poll(response, { timeout: 10_000 }).toContain(text);
  return response();
}

const metric = (page: Page, name: string) => () => page.locator(`[data-metric="${name}"]`).innerText();

describe('the playground', () => {
  it('shows activations to admins as they happen', { timeout: 90_000 }, async () => {
    const { id: planId } = await buildPlan(api.services.db, { name: 'Midsummer' });
    const { code } = await newCode(api.services, { batch: { planId, unitTime: 'MONTH', quantity: 1 } });
    const user = await api.newUser();
    const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code } });
    const { page, complaints, picture } = await open(api.url);
    await page.goto(`${api.url}/playground`);
    await signIn(page, { identifier: admin.identifier, secret: 'wrong' });
    await page
      .getByRole('alert')
      .filter({ hasText: 'The e-mail address or the password is wrong.' })
      .waitFor();
    await picture('1-sign-in');
    await signIn(page, admin);
    await signedIn(page);

    await choose(page, 'All plans');
    await run(page);
    await responseWith(page, 'Midsummer');
    await picture('2-ready-made');
    await choose(page, 'Watch an order');
    await fillVariables(page, { id: redeemCode.id });
    await run(page);
    await responseWith(page, '"PAID"');
    await show(page, 'Now');
    await expect.poll(metric(page, 'Orders waiting'), { timeout: 5_000 }).toBe('1');
    expect(await metric(page, 'Redemptions today')()).toBe('0');

    const worker = startWorker(api.services, { BATCH_SIZE: 128 });
    try {
      await responseWith(page, '"FINISHED"');
      await expect.poll(metric(page, 'Orders waiting'), { timeout: 5_000 }).toBe('0');
      expect(await metric(page, 'Activations')()).toBe('0.1');
      expect(await metric(page, 'Redemptions today')()).toBe('1');
      expect(await metric(page, 'Devices online')()).toBe('0');
      await user.subscribe(ViewerChangedDocument).next();
      await expect.poll(metric(page, 'Devices online'), { timeout: 5_000 }).toBe('1');
      await picture('3-now');
    } finally {
      await worker.stop();
    }
    expect(complaints).toEqual([]);
  });

  it('reconnects with a new token when the access token has expired', { timeout: 90_000 }, async () => {
    const { page, complaints } = await open(api.url);
    let connections = 0;
    // Closes the first connection as the server does for an expired token.
    await page.routeWebSocket('**/graphql', (socket) => {
      const server = connections++ === 0 ? undefined : socket.connectToServer();
      if (!server) socket.onMessage(() => void socket.close({ code: 4403, reason: 'Forbidden' }));
    });
    await page.goto(`${api.url}/playground`);
    await signIn(page, admin);
    await signedIn(page);
    const renewal = page.waitForRequest((request) => request.postData()?.includes('refreshSession') ?? false);

    await choose(page, 'Watch activations live');
    await run(page);

    await renewal;
    await responseWith(page, '"activationsPerSecond"');
    expect(connections).toBe(2);
    expect(complaints).toEqual([]);
  });

  it('shows users their own data when they sign in with the token of a device', {
    timeout: 90_000,
  }, async () => {
    const user = await api.newUser();
    const { page, complaints, picture } = await open(api.url, { colorScheme: 'dark' });
    await page.goto(`${api.url}/playground`);
    await page.getByRole('button', { name: 'Use a token instead' }).click();
    await page.getByLabel('Access token').fill(`Bearer ${user.token}`);
    await page.getByRole('button', { name: 'Sign in', exact: true }).last().click();
    await signedIn(page);

    await choose(page, 'Who am I?');
    await run(page);

    await responseWith(page, user.userId);
    await page.getByLabel('Search operations').fill('');
    const groups = await tasks(page).locator('h3').allInnerTexts();
    expect(groups).toEqual(['My account', 'Public']);
    await show(page, 'Now');
    await page.getByText('Sign in as an admin to see live statistics.').waitFor();
    await picture('4-user');
    // Signing out of the page does not revoke the session of the device.
    await page.getByRole('button', { name: 'Sign out' }).click();
    expect(await api.services.db.session.count({ where: { userId: user.userId, revokedAt: null } })).toBe(1);
    expect(complaints).toEqual([]);
  });

  it('works behind a proxy with another host and path, in a narrow window', { timeout: 90_000 }, async () => {
    const proxy = await startPathProxy(api.url, '/shop/api');
    try {
      const origin = `http://panel.localhost:${proxy.port}`;
      const { page, complaints, picture } = await open(origin, { viewport: { width: 480, height: 900 } });
      await page.goto(`${origin}/shop/api/playground`);
      await signIn(page, admin);
      await signedIn(page);

      await choose(page, 'Watch activations live');
      await run(page);

      await responseWith(page, '"activationsPerSecond"');
      await picture('5-narrow');
      const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
      expect(overflow).toBeLessThanOrEqual(0);
      expect(complaints).toEqual([]);
    } finally {
      await proxy.close();
    }
  });

  it('shows a notice when the server revokes the session, and leaves no tokens in browser storage', {
    timeout: 60_000,
  }, async () => {
    const { page, picture, complaints } = await open(api.url);
    await page.goto(`${api.url}/playground`);
    await signIn(page, admin);
    await signedIn(page);
    await choose(page, 'Watch activations live');
    await run(page);
    await responseWith(page, '"activationsPerSecond"');
    const stored = await page.evaluate(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
    );

    const { db } = api.services;
    const session = await db.session.findFirstOrThrow({
      where: { userId: admin.userId },
      orderBy: { id: 'desc' },
    });
    await admin.get(RevokeSessionDocument, { id: session.id });

    await page.getByText('Your session has expired. Sign in again.').waitFor();
    await picture('6-ended');
    expect(stored).toContain('graphiql:visiblePlugin');
    expect(stored).not.toMatch(/eyJ|refresh|correct horse|statisticsChanged/);
    expect(complaints).toEqual([]);
  });

  it('discards operations, variables, responses and history on sign-out', { timeout: 90_000 }, async () => {
    const { id } = await buildPlan(api.services.db, { name: 'Secret of the admin' });
    const { page, picture, complaints } = await open(api.url);
    await page.addInitScript("localStorage.setItem('graphiql:queries', 'of an earlier version')");
    await page.goto(`${api.url}/playground`);
    await signIn(page, admin);
    await signedIn(page);
    await choose(page, 'Withdraw a plan');
    await fillVariables(page, { id, status: 'WITHDRAWN' });
    await run(page);
    await responseWith(page, id);
    await choose(page, 'All plans');
    await run(page);
    await responseWith(page, 'Secret of the admin');
    // Still open when the user signs out.
    await choose(page, 'Watch activations live');
    await run(page);
    await responseWith(page, '"activationsPerSecond"');
    await page.getByRole('button', { name: 'Show History' }).click();
    await picture('7-before-sign-out');
    await page.locator('.graphiql-history-item').first().waitFor();
    expect(await contents(page)).toContain('WithdrawPlan');

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();

    await expect.poll(() => contents(page)).toContain('Choosearead');
    await page.getByRole('button', { name: /History/ }).click();
    await picture('8-signed-out');
    // GraphiQL stores its tabs with a delay.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await contents(page)).not.toMatch(
      new RegExp(`${id}|Secretoftheadmin|WithdrawPlan|AllPlans|activationsPerSecond|earlierversion`),
    );
    expect(await page.locator('.graphiql-history-item').count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});

/**
 * Everything that the page shows or has stored, the contents of all editors included. Without white
 * space, because editors wrap long lines.
 */
async function contents(page: Page): Promise<string> {
  const stored = await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])');
  const shown = await page.locator('body').innerText();
  return `${stored}${shown}`.replace(/\s/g, '');
}
