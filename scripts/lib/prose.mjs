import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** Home-made terms, with the field's term for each. */
const TERMS = [
  [/\bwish(es)?\b/i, 'request'],
  [/\b(at once)\b/i, 'concurrently, or immediately'],
  [/\b(comes?|came|asks?|asked) again\b/i, 'retries'],
  [/\bas good as (one|none)\b/i, 'idempotent'],
  [/\bon (its|their) way\b|\bunder way\b/i, 'pending, in flight'],
  [/\b(is|are|was|were|goes|went|be|being|been) away\b/i, 'unavailable'],
  [/\bin (the )?clear\b/i, 'plaintext'],
  [/\b(forget|forgets|forgot|forgotten|forgetting|recalls?|recalled)\b/i, 'invalidate, evict, delete'],
  [/\bgather(s|ed|ing)?\b/i, 'coalesce, collect'],
  [/\b(clerk|turned away|turn away)\b/i, 'rate limiter, reject'],
  [/\b(so many|so often|as often as it may|so long\b(?! as))/i, 'count, limit, the figure'],
  [/\ba (while|moment)\b|\bat this (very )?moment\b/i, 'the figure and its unit'],
  [/\bfor ever\b|\bwithout (an )?end\b/i, 'unlimited, never expires'],
  [/\banew\b/i, 'again'],
  [/\b(nobody|somebody|anybody|whoever|everybody)\b/i, 'the caller, a client, an admin, any user'],
  [/\bfarewell\b/i, 'disconnect'],
  [/\bcrowds?\b/i, 'overload'],
  [/\bwritten down|writes? down|wrote down\b/i, 'persisted'],
  [/\b(heard|hears|hear) of\b/i, 'last seen'],
  [/\bmend(s|ed|ing)?\b/i, 'fix, recover'],
  [/\bbeside\b/i, 'next to, in addition to'],
  [/\b(unfit|misfit)\b/i, 'invalid'],
  [/\bis told|are told|was told|were told|be told\b/i, 'gets, is notified, returns'],
  [/\bmakes? good\b|\bmade good\b/i, 'makes up for'],
  [/\bof its own accord\b/i, 'by itself'],
  [/\b(he|him|his|himself)\b/i, 'they, it'],
  [/\bis none\b|\bare none\b/i, 'does not exist'],
  [/\bknows? (no|nothing)\b/i, 'has no'],
  [/\bpromised?\b(?=.*\b(use|order|code))/i, 'reserved'],
  [/\bfor good\b/i, 'permanently'],
  [/\bin (the )?place of\b/i, 'instead of'],
  [/\btells?\b/i, 'indicates, returns, distinguishes'],
  [/\bonly rises?\b/i, 'only increases'],
];

/** Comments and descriptions start with a noun or a verb. */
const STARTS = /^(what|who|whoever|whose|whatever|those who)\b/i;

const LONGEST_COMMENT = 100;

/** Extractors of English text, by file. Applied migrations never change, so they are skipped. */
const READERS = [
  { path: /^prisma\/migrations\//, read: () => [] },
  { path: /^src\/playground\/.*\.css$|\.json$|^docs\/decisions\/template/, read: () => [] },
  { path: /^test\/.*\.(test\.ts)$/, read: testNames },
  {
    path: /^(src|prisma|scripts|examples|bench|test\/support)\/.*\.(ts|tsx|mjs|mts)$/,
    read: commentsAndStrings,
  },
  { path: /^([^/]+\.config\.ts|\.dependency-cruiser[^/]*\.cjs)$/, read: commentsAndStrings },
  { path: /^prisma\/schema\.prisma$/, read: commentsAndStrings },
  { path: /^(docs\/.*|[A-Z]+)\.md$/, read: paragraphs },
  { path: /^(schema|src\/.*)\.graphql$/, read: lines },
];

/**
 * Finds home-made terms and comments that are too wide.
 *
 * @param {readonly string[]} files names relative to the project
 * @returns {string[]} one line for each finding: where it is, and what to write instead
 */
export function findProse(files = trackedFiles()) {
  return files.flatMap((file) => {
    const reader = READERS.find(({ path }) => path.test(file));
    if (!reader || file === 'scripts/lib/prose.mjs') return [];
    const text = readFileSync(join(root, file), 'utf8');
    return reader
      .read(text)
      .flatMap((piece) => faultsOf(piece).map((fault) => `${file}:${piece.line} ${fault}`));
  });
}

function trackedFiles() {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed.split('\n').filter(Boolean);
}

function faultsOf({ text, isComment, columns }) {
  const faults = TERMS.flatMap(([term, instead]) => {
    const found = term.exec(text);
    return found ? [`"${found[0]}": ${instead}`] : [];
  });
  if (isComment && STARTS.test(text)) faults.push(`"${text.slice(0, 30)}…": start with a noun or a verb`);
  if (columns > LONGEST_COMMENT) faults.push(`${columns} columns: comments wrap at ${LONGEST_COMMENT}`);
  return faults;
}

const COMMENT = /\/\*\*?([\s\S]*?)\*\/|(?<![:'"`\w/])\/\/\/?(.*)$/gm;
/** Sentences, not identifiers: a string with a space in it. */
const SENTENCE = /'((?:[^'\\\n]|\\.)* (?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)* (?:[^"\\\n]|\\.)*)"/g;

/** A template literal, with templates nested in its substitutions one level deep. */
const TEMPLATE = /`(?:[^`\\$]|\\.|\$(?!\{)|\$\{(?:[^{}`]|\{[^{}]*\}|`[^`]*`)*\})*`/g;
const SUBSTITUTION = /\$\{(?:[^{}`]|\{[^{}]*\}|`[^`]*`)*\}/g;

function commentsAndStrings(text) {
  return [...comments(text), ...matches(text, SENTENCE, (found) => found[1] ?? found[2]), ...templates(text)];
}

/** Template literals with a space, without their substitutions. Comments also contain backticks. */
function templates(text) {
  const code = text.replace(COMMENT, (comment) => comment.replace(/[^\n]/g, ' '));
  return matches(code, TEMPLATE, ([template]) => template.slice(1, -1).replace(SUBSTITUTION, '')).filter(
    ({ text: sentence }) => sentence.trim().includes(' '),
  );
}

function comments(text) {
  return [...text.matchAll(COMMENT)].map((found) => {
    const line = lineOf(text, found.index);
    const begin = text.lastIndexOf('\n', found.index) + 1;
    const whole = text.slice(begin, found.index + found[0].length).split('\n');
    return {
      line,
      isComment: true,
      columns: isAlone(whole[0]) ? Math.max(...whole.map((row) => row.length)) : 0,
      text: (found[1] ?? found[2])
        .replace(/\n\s*\*/g, ' ')
        .replace(/\s+/g, ' ')
        .trim(),
    };
  });
}

const isAlone = (row) => /^\s*(\/\*|\/\/)/.test(row);

/** Names of describe, it and test. */
const NAME = /\b(?:describe|it|test)(?:\.\w+)*(?:\([^'"`()]*\))?\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/g;

function testNames(text) {
  return matches(text, NAME, (found) => found[2]);
}

/** Blanks out code blocks and inline code. */
function paragraphs(text) {
  const prose = text
    .replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ''))
    .replace(/`[^`\n]*`/g, '``');
  return lines(prose);
}

function lines(text) {
  return text.split('\n').map((row, index) => ({ line: index + 1, text: row.trim() }));
}

function matches(text, pattern, pick) {
  return [...text.matchAll(pattern)].map((found) => ({ line: lineOf(text, found.index), text: pick(found) }));
}

const lineOf = (text, index) => text.slice(0, index).split('\n').length;
