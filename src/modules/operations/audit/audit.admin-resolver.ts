import { Arg, Args, Ctx, Query, Resolver } from 'type-graphql';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { AdminOnly } from '../../kernel/access.ts';
import { type AuditEntry, AuditEntryConnection, AuditFilter } from './audit.types.ts';
import { listAuditEntries } from './list-audit-entries.ts';

@Resolver()
export class AuditAdminResolver {
  @AdminOnly()
  @Query(() => AuditEntryConnection, {
    nullable: true,
    description: 'The audit log, latest first.',
  })
  auditLog(
    @Arg('filter', () => AuditFilter, {
      nullable: true,
      description: 'Defaults to all entries.',
    })
    filter: AuditFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() services: Services,
  ): Promise<Page<AuditEntry>> {
    return listAuditEntries(services, { filter: filter ?? {}, page });
  }
}
