import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';

/** A window that knows nothing yet, as for somebody who comes for the first time. */
export interface TestWindow {
  page: Page;
  /** All that a page should not do: requests to elsewhere, what its policy forbids, errors in its console. */
  complaints: readonly string[];
  /** Keeps what the page looks like, for people. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

const PICTURES = 'test-output/playground';
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

// No look beyond this machine: its network may be closed, and each attempt would wait.
const QUIET = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** Chromium, installed first where it is missing and may be. To it every name below localhost is this machine. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), headless: true, args: QUIET });
}

/** @param origin where the page and all that it asks for must be: `http://127.0.0.1:4000` */
export async function openWindow(
  browser: Browser,
  origin: string,
  settings: BrowserContextOptions = {},
): Promise<TestWindow> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...settings });
  const complaints = listen(context, origin);
  const page = await context.newPage();
  return {
    page,
    complaints,
    picture: async (name) => {
      mkdirSync(PICTURES, { recursive: true });
      await page.screenshot({ path: join(PICTURES, `${name}.png`) });
    },
    close: () => context.close(),
  };
}

function listen(context: BrowserContext, origin: string): string[] {
  const complaints: string[] = [];
  const { host } = new URL(origin);
  const check = (url: string) => {
    const asked = new URL(url);
    const isOurs = ['http:', 'ws:'].includes(asked.protocol) && asked.host === host;
    if (!isOurs && asked.protocol !== 'data:') complaints.push(`asked ${url.slice(0, 200)}`);
  };
  context.on('request', (request) => check(request.url()));
  context.on('page', (page) => page.on('websocket', (socket) => check(socket.url())));
  // What a policy forbids is told here, too.
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text().slice(0, 300)}`);
  });
  context.on('weberror', (failure) => complaints.push(`failed: ${failure.error().message}`));
  return complaints;
}

/** @throws Error when there is none, and none can be installed */
function findChromium(): string {
  const found = [process.env.CHROMIUM_BIN ?? '', ...PLACES].find((place) => place && existsSync(place));
  if (found) return found;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error('The browser tests need Chromium: install it, or name it with CHROMIUM_BIN.');
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    execFileSync('apt-get', args, { env, stdio: 'ignore' });
  }
  return '/usr/bin/chromium';
}
