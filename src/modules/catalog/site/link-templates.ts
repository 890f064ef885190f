import { z } from 'zod';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { formatNamed } from '../../network/links/link-formats.ts';
import { findTemplateMistake } from '../../network/links/link-template.ts';
import { templateOf } from '../../network/links/read-link.ts';
import { lockSiteSettings, readSiteSettings } from './read-site-settings.ts';

const MAX_CHARACTERS = 32_768;

/** Formats with templates, and the names by which they are stored. */
export const LinkTemplateFormat = {
  CLASH: 'clash',
  SING_BOX: 'sing-box',
  V2RAY: 'v2ray',
  XRAY: 'xray',
  SURGE: 'surge',
} as const;
export type LinkTemplateFormat = (typeof LinkTemplateFormat)[keyof typeof LinkTemplateFormat];

/** The template of a format; null is the built-in document. */
export interface LinkTemplate {
  format: LinkTemplateFormat;
  text: string | null;
}

export async function listLinkTemplates({ db }: Pick<Services, 'db'>): Promise<LinkTemplate[]> {
  const site = await readSiteSettings({ db });
  return Object.values(LinkTemplateFormat).map((format) => ({ format, text: templateOf(site, format) }));
}

const Text = z.string().max(MAX_CHARACTERS, `must have at most ${MAX_CHARACTERS} characters`).nullable();

/**
 * Sets the template of a format, or with null goes back to the built-in document. Links have it as
 * soon as their process learns of it, and within a second.
 *
 * @throws PlatformError BAD_USER_INPUT that names the line of a mistake
 */
export async function setLinkTemplate(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { actorId, format, text }: LinkTemplate & { actorId: string },
): Promise<LinkTemplate> {
  const checked = checkInput(Text, text, 'text');
  if (checked !== null) checkTemplate(format, checked);
  await db.$transaction(async (tx) => {
    const before = await lockSiteSettings(tx);
    const { [format]: _replaced, ...others } = before.linkTemplates as Record<string, string>;
    await tx.siteSettings.update({
      where: { id: before.id },
      data: {
        linkTemplates: checked === null ? others : { ...others, [format]: checked },
        version: { increment: 1 },
      },
    });
    await recordAudit(tx, {
      ...{ action: 'setLinkTemplate', actorId },
      before: { format, text: templateOf(before, format) },
      after: { format, text: checked },
    });
  });
  announce({ pubSub }, { sites: ['site'] });
  return { format, text: checked };
}

function checkTemplate(format: LinkTemplateFormat, text: string): void {
  const syntax = formatNamed(format)?.template;
  const mistake = syntax ? findTemplateMistake(syntax, text) : 'this format has no templates';
  if (mistake === null) return;
  throw new PlatformError('BAD_USER_INPUT', { field: 'text', message: `text: ${mistake}` });
}
