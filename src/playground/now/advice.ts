import type { Statistics } from './statistics.ts';

/** A detected problem, and what to do about it. */
export interface Advice {
  level: 'bad' | 'warning';
  title: string;
  action: string;
}

/** The inputs of the rules below. */
export interface Situation {
  latest: Statistics;
  /** Time since the last message. */
  silentSeconds: number;
}

/** Age of the oldest waiting order. Orders are normally activated within a second. */
const WAITING_SECONDS = { warning: 10, bad: 30 };
const SILENT_SECONDS = 5;

/** Lists all problems, the most severe first. */
export function adviceFor({ latest, silentSeconds }: Situation): Advice[] {
  const found = [silence(silentSeconds), waiting(latest), lagging(latest), offline(latest)];
  return found
    .filter((advice) => advice !== null)
    .sort((one, other) => Number(other.level === 'bad') - Number(one.level === 'bad'));
}

function silence(seconds: number): Advice | null {
  if (seconds <= SILENT_SECONDS) return null;
  return {
    level: 'bad',
    title: `No updates for ${Math.round(seconds)} s. These figures are out of date.`,
    action:
      'The API is not responding, or cannot reach PostgreSQL. Check /readyz of each API process. This page keeps trying to reconnect.',
  };
}

function waiting({ oldestPaidOrderSeconds: seconds, queueDepth }: Statistics): Advice | null {
  if (seconds === null || seconds < WAITING_SECONDS.warning) return null;
  const isBad = seconds > WAITING_SECONDS.bad;
  return {
    level: isBad ? 'bad' : 'warning',
    title: `An order has been waiting for ${seconds} s (${queueDepth} waiting in total).`,
    action:
      'Make sure that a process with ROLE=worker or ROLE=all is running, and check its /readyz and its log. No order is lost: all are activated once the problem is fixed.',
  };
}

function lagging({ serversLagging: count }: Statistics): Advice | null {
  if (count === 0) return null;
  return {
    level: 'warning',
    title: `${servers(count)} not applied the latest user list.`,
    action:
      'New customers cannot connect there yet. If this persists, check the log of the agent and whether it can reach this API. "All servers" lists the servers that are LAGGING, with the problem if their agent reports one.',
  };
}

function offline({ serversOffline: count }: Statistics): Advice | null {
  if (count === 0) return null;
  return {
    level: 'warning',
    title: `${servers(count)} not contacted the API for a minute.`,
    action:
      'Make sure that the machine is up and its agent runs with a valid token; "Create a new token for a server" replaces a lost one. "All servers" lists the servers that are OFFLINE.',
  };
}

const servers = (count: number) => (count === 1 ? '1 server has' : `${count} servers have`);
