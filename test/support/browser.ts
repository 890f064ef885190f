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

/** A browser window without cookies or storage. */
export interface TestWindow {
  page: Page;
  /** Requests to other origins, violations of the content security policy, and console errors. */
  complaints: readonly string[];
  /** Saves a screenshot for manual review. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

const PICTURES = 'test-output/playground';
const CHROMIUM_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

// Disables background requests, which would time out on a machine without network access.
const OFFLINE_FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/**
 * Starts Chromium, installing it if necessary. It resolves all names under localhost to this
 * machine.
 */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), headless: true, args: OFFLINE_FLAGS });
}

/** @param origin the only origin that the page may send requests to: `http://127.0.0.1:4000` */
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
    const requested = new URL(url);
    const isOurs = ['http:', 'ws:'].includes(requested.protocol) && requested.host === host;
    if (!isOurs && requested.protocol !== 'data:') complaints.push(`requested ${url.slice(0, 200)}`);
  };
  context.on('request', (request) => check(request.url()));
  context.on('page', (page) => page.on('websocket', (socket) => check(socket.url())));
  // Includes violations of the content security policy.
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text().slice(0, 300)}`);
  });
  context.on('weberror', (failure) => complaints.push(`failed: ${failure.error().message}`));
  return complaints;
}

/** @throws Error if Chromium is missing and cannot be installed */
function findChromium(): string {
  const found = [process.env.CHROMIUM_BIN ?? '', ...CHROMIUM_PATHS].find((path) => path && existsSync(path));
  if (found) return found;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error('The browser tests need Chromium: install it, or set CHROMIUM_BIN to its path.');
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    execFileSync('apt-get', args, { env, stdio: 'ignore' });
  }
  return '/usr/bin/chromium';
}
