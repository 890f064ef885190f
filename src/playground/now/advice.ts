import type { Statistics } from './statistics.ts';

/** Something that is not as it should be, and what to do. */
export interface Advice {
  level: 'bad' | 'warning';
  title: string;
  action: string;
}

/** What the panel knows. */
export interface Situation {
  latest: Statistics;
  /** How long nothing has come. */
  silentSeconds: number;
}

/** An order is activated within a second; from then on something is in the way. */
const WAITING_SECONDS = { warning: 10, bad: 30 };
const SILENT_SECONDS = 5;

/** Everything that is wrong, the worst first. */
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
    title: `No news for ${Math.round(seconds)} s: what is shown here is old.`,
    action:
      'The API does not answer, or cannot reach PostgreSQL: /readyz of each API process says which. The page goes on trying by itself.',
  };
}

function waiting({ oldestPaidOrderSeconds: seconds, queueDepth }: Statistics): Advice | null {
  if (seconds === null || seconds < WAITING_SECONDS.warning) return null;
  const isBad = seconds > WAITING_SECONDS.bad;
  return {
    level: isBad ? 'bad' : 'warning',
    title: `An order has been waiting for ${seconds} s (${queueDepth} wait in all).`,
    action:
      'See that a process with ROLE worker or all is running, and what /readyz says there; its log names what fails. No order is lost: each is activated as soon as that works again.',
  };
}

function lagging({ serversLagging: count }: Statistics): Advice | null {
  if (count === 0) return null;
  return {
    level: 'warning',
    title: `${servers(count)} not applied the latest user list.`,
    action:
      'New customers cannot connect there yet. If it stays so, look at the log of the agent, and whether it reaches this API; "All servers" tells which.',
  };
}

function offline({ serversOffline: count }: Statistics): Advice | null {
  if (count === 0) return null;
  return {
    level: 'warning',
    title: `${servers(count)} not been heard of for a minute.`,
    action:
      'See that the machine is up and its agent runs with the present token; "New token for a server" makes another one. "All servers" tells which.',
  };
}

const servers = (count: number) => (count === 1 ? '1 server has' : `${count} servers have`);
