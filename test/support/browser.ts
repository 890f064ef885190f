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

/** A browser window with an empty profile. */
export interface TestWindow {
  page: Page;
  /** Everything a page should not do: requests to other origins, CSP violations, console errors. */
  complaints: readonly string[];
  /** Saves a screenshot for inspection. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

const PICTURES = 'test-output/playground';
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

// No background requests: without network access each attempt would wait for a timeout.
const QUIET = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/**
 * Starts Chromium, and installs it first if it is missing and this process may. Resolves
 * *.localhost to this machine.
 */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), headless: true, args: QUIET });
}

/** @param origin the only origin the page may load from: `http://127.0.0.1:4000` */
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
    if (!isOurs && asked.protocol !== 'data:') complaints.push(`requested ${url.slice(0, 200)}`);
  };
  context.on('request', (request) => check(request.url()));
  context.on('page', (page) => page.on('websocket', (socket) => check(socket.url())));
  // CSP violations are console errors as well.
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text().slice(0, 300)}`);
  });
  context.on('weberror', (failure) => complaints.push(`failed: ${failure.error().message}`));
  return complaints;
}

/** @throws Error if Chromium is missing and cannot be installed */
function findChromium(): string {
  const found = [process.env.CHROMIUM_BIN ?? '', ...PLACES].find((place) => place && existsSync(place));
  if (found) return found;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error('The browser tests need Chromium. Install it, or set CHROMIUM_BIN.');
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    execFileSync('apt-get', args, { env, stdio: 'ignore' });
  }
  return '/usr/bin/chromium';
}
