import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { main, root, StepError, timed } from './lib/steps.mjs';

// npm run test:image: performs the steps of the Dockerfile in empty folders, as an ordinary user
// and without Docker, then starts the result and examines it.

/** A user who owns nothing on this machine. */
const USER = 65_534;
const isRoot = process.getuid?.() === 0;
const SECRET_KEY = 'a secret of this test, and of nothing else: 0123456789';

/** Performs the stages. @returns the folder, environment and command of the last one */
function buildImage(folder, dockerfile) {
  const stages = [];
  for (const [instruction, rest] of instructionsOf(dockerfile)) {
    if (instruction === 'FROM') stages.push(newStage(folder, rest));
    else INSTRUCTIONS[instruction]?.(stages.at(-1), rest, { folder, stages });
  }
  return stages.at(-1);
}

function newStage(folder, image) {
  const name = / AS (\S+)$/.exec(image)?.[1] ?? 'image';
  const stage = { name, root: join(folder, name), workdir: '/', env: {}, entrypoint: [], command: [] };
  makeFolder(stage.root);
  return stage;
}

/** Others describe the image and change nothing in it. */
const INSTRUCTIONS = {
  WORKDIR: (stage, path) => {
    stage.workdir = path;
    makeFolder(join(stage.root, path));
  },
  ENV: (stage, pairs) => {
    Object.assign(stage.env, Object.fromEntries(pairs.split(' ').map((pair) => pair.split('='))));
  },
  COPY: (stage, words, { stages }) => copy(stages, stage, words.split(' ')),
  RUN: (stage, command, { folder }) => runStep(folder, stage, command),
  ENTRYPOINT: (stage, words) => {
    stage.entrypoint = JSON.parse(words);
  },
  CMD: (stage, words) => {
    stage.command = JSON.parse(words);
  },
};

/** Joins continued lines, and leaves out comments. */
function instructionsOf(dockerfile) {
  const lines = dockerfile.replace(/\\\n\s*/g, '').split('\n');
  return lines
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
}

function copy(stages, stage, words) {
  const from = /^--from=(\S+)$/.exec(words[0])?.[1];
  const here = join(stage.root, stage.workdir);
  if (from) {
    const source = join(stages.find(({ name }) => name === from).root, words[1]);
    const target = words[2].endsWith('/') ? join(words[2], basename(source)) : words[2];
    cpSync(source, join(here, target), { recursive: true, preserveTimestamps: true });
  } else copyContext(words.slice(0, -1), here);
  if (isRoot) spawnSync('chown', ['-R', `${USER}:${USER}`, stage.root]);
}

function copyContext(sources, here) {
  for (const file of sources.includes('.') ? contextFiles() : sources) {
    mkdirSync(dirname(join(here, file)), { recursive: true });
    // As Docker does: npm run build compares the times of lock files.
    cpSync(join(root, file), join(here, file), { preserveTimestamps: true });
  }
}

/** The files of the build context: those in git, without those in .dockerignore. */
function contextFiles() {
  const { stdout } = spawnSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' });
  const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
  return stdout
    .split('\n')
    .filter((file) => file !== '' && !ignored.some((name) => file === name || file.startsWith(`${name}/`)));
}

function runStep(folder, stage, command) {
  console.log(`RUN ${command}`);
  const { status } = spawnSync('sh', ['-ec', command], {
    ...asUser(folder, stage.env),
    cwd: join(stage.root, stage.workdir),
    stdio: 'inherit',
  });
  if (status !== 0) throw new StepError(`The step failed: ${command}`);
}

const asUser = (folder, env) => ({
  env: {
    PATH: process.env.PATH,
    HOME: join(folder, 'home'),
    npm_config_registry: process.env.npm_config_registry ?? '',
    ...env,
  },
  ...(isRoot && { uid: USER, gid: USER }),
});

async function examine(folder, image) {
  const { startEmbedded } = await import('../dist/src/platform/embedded/embedded.js');
  const dataDir = mkdtempSync(join(tmpdir(), 'tessera-image-data-'));
  const servers = await startEmbedded({
    dataDir,
    needPostgres: true,
    needRedis: true,
    tools: join(root, '.cache'),
    log: console.log,
  });
  // Its user must reach the socket.
  for (const path of [dataDir, dirname(servers.redisUrl)]) chmodSync(path, 0o711);
  chmodSync(servers.redisUrl, 0o777);
  const env = {
    ...image.env,
    HOST: '127.0.0.1',
    PORT: '0',
    TRUST_PROXY: '0',
    SECRET_KEY,
    DATABASE_URL: servers.databaseUrl,
    REDIS_URL: servers.redisUrl,
  };
  const settings = { ...asUser(folder, env), cwd: join(image.root, image.workdir) };
  const [program, ...first] = image.entrypoint;
  const service = spawn(program, [...first, ...image.command], {
    ...settings,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const url = await timed('Starting the image', () => readyUrl(service));
    const { status } = await fetch(`${url}/readyz`);
    if (status !== 200) throw new StepError(`/readyz responds with ${status}`);
    const doctor = spawnSync(program, [...first, 'dist/src/cli.js', 'doctor'], {
      ...settings,
      encoding: 'utf8',
    });
    console.log(doctor.stdout + doctor.stderr);
    if (doctor.status !== 0) throw new StepError('The doctor has found a failure.');
    service.kill('SIGTERM');
    const code = await new Promise((resolve) => service.once('exit', resolve));
    if (code !== 0) throw new StepError(`SIGTERM ended with exit code ${code}.`);
  } finally {
    service.kill('SIGKILL');
    await servers.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function readyUrl(service) {
  return new Promise((resolve, reject) => {
    let output = '';
    service.stdout.on('data', (chunk) => {
      output += chunk;
      const url = /is ready\. .*?(http:\/\/[^/\s]+)/.exec(output)?.[1];
      if (url) resolve(url);
    });
    service.once('exit', (code) =>
      reject(new StepError(`The image ended with exit code ${code}.\n${output}`)),
    );
  });
}

function makeFolder(path) {
  mkdirSync(path, { recursive: true });
  own(path);
}

function own(path) {
  if (isRoot) chownSync(path, USER, USER);
}

await main(async () => {
  await install();
  await build();
  const folder = mkdtempSync(join(tmpdir(), 'tessera-image-'));
  try {
    own(folder);
    makeFolder(join(folder, 'home'));
    const image = buildImage(folder, readFileSync(join(root, 'Dockerfile'), 'utf8'));
    await examine(folder, image);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
