import { z } from 'zod';
import { checkInput, orNull } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { label } from '../../../platform/text.ts';

const share = z.number().min(0, 'must be from 0 to 1').max(1, 'must be from 0 to 1');

const Status = z.object({
  cpu: share,
  memory: share,
  disk: share,
  version: label(50),
  problem: orNull(label(300)),
});

/** @throws PlatformError BAD_USER_INPUT */
export async function reportServerStatus(
  { db }: Pick<Services, 'db'>,
  { serverId, input }: { serverId: string; input: z.input<typeof Status> },
): Promise<boolean> {
  const { version: agentVersion, ...load } = checkInput(Status, input);
  await db.$executeRaw`
    UPDATE servers SET cpu = ${load.cpu}, memory = ${load.memory}, disk = ${load.disk}, agent_version = ${agentVersion},
      problem = ${load.problem}
    WHERE id = ${serverId}::uuid`;
  return true;
}
