import type { Finding } from '../doctor/check.ts';
import { diagnose } from '../doctor/diagnose.ts';
import type { Command } from './command.ts';

const MARKS = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' } as const;
const CHECK_WIDTH = 18;

export const doctor: Command = {
  needs: 'servers',
  name: 'doctor',
  summary: 'examines the service and its servers, and says what to do; exit code 1 if something fails',
  options: { json: { type: 'boolean' }, deep: { type: 'boolean' } },
  help: `  --deep   also verify rules about all rows, which reads whole tables
  --json   print the findings as JSON, for monitoring`,
  run: async ({ config, settings, show, fail }, { json, deep }) => {
    const findings = await diagnose({ config, settings, isDeep: deep === true });
    if (json) show(JSON.stringify(findings, null, 2));
    else for (const finding of findings) for (const line of linesOf(finding)) show(line);
    if (findings.some(({ level }) => level === 'fail')) fail();
  },
};

function linesOf({ check, level, message, advice }: Finding): string[] {
  const first = `${MARKS[level]}  ${check.padEnd(CHECK_WIDTH)}${message}`;
  return advice ? [first, `      ${''.padEnd(CHECK_WIDTH)}→ ${advice}`] : [first];
}
