import { clash } from './clash.ts';
import type { LinkFormat } from './link-format.ts';
import { singBox } from './sing-box.ts';
import { sip008 } from './sip008.ts';
import { surge } from './surge.ts';
import { uriList } from './uri-list.ts';
import { v2ray, xray } from './v2ray.ts';

/** To add a format: a file like `sip008.ts`, and an entry here. */
export const LINK_FORMATS: readonly LinkFormat[] = [uriList, clash, singBox, v2ray, xray, surge, sip008];

/** Further values of `?format=`, as other panels name them. */
const ALIASES: Readonly<Record<string, string>> = {
  ...{ base64: 'uri', mihomo: 'clash', 'clash-meta': 'clash', meta: 'clash', singbox: 'sing-box' },
  ...{ surfboard: 'surge', shadowsocks: 'sip008', ss: 'sip008' },
};

/** @returns undefined if the format does not exist */
export function formatNamed(name: string): LinkFormat | undefined {
  const wanted = ALIASES[name.toLowerCase()] ?? name.toLowerCase();
  return LINK_FORMATS.find((format) => format.name === wanted);
}

/** The format of a client that does not ask for one: the list of URIs unless it is known better. */
export const formatFor = (userAgent: string): LinkFormat =>
  LINK_FORMATS.find((format) => format.userAgent?.test(userAgent)) ?? uriList;
