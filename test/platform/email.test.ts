import { describe, expect, it } from 'vitest';
import { normalizeEmail, normalizeEmailPrefix } from '../../src/platform/email.ts';

describe('normalizeEmail', () => {
  it.each([
    ['as it is', 'ann.b+c@example.com'],
    ['in upper case', 'ANN.B+C@EXAMPLE.COM'],
    ['with white space around it', '\u00a0 ann.b+c@example.com\n'],
    ['with a dot at the end of the domain', 'ann.b+c@example.com.'],
    ['in full-width characters', 'ａｎｎ.ｂ+ｃ＠ｅｘａｍｐｌｅ.ｃｏｍ'],
    ['with an ideographic full stop', 'ann.b+c@example。com'],
    ['with the Kelvin sign', 'ann.b+c@example.com'.replace('k', '\u212a')],
  ])('has one form for an address %s', (_, typed) => {
    expect(normalizeEmail(typed)).toBe('ann.b+c@example.com');
  });

  it.each([
    ['composed', 'jos\u00e9@b\u00fccher.example'],
    ['decomposed', 'jose\u0301@bu\u0308cher.example'],
    ['in punycode', 'jos\u00e9@xn--bcher-kva.example'],
    ['in upper case', 'JOS\u00c9@B\u00dcCHER.EXAMPLE'],
  ])('has one form for an international address %s', (_, typed) => {
    expect(normalizeEmail(typed)).toBe('jos\u00e9@xn--bcher-kva.example');
  });

  it.each([
    ['admin@tessera.local'],
    ['root@localhost'],
    ["o'neil@example.com"],
    ['a@1.example'],
    [`${'a'.repeat(64)}@example.com`],
    ['用户@例子.广告'],
  ])('accepts %s', (typed) => {
    expect(normalizeEmail(typed)).toBeDefined();
  });

  it('is the same if it is applied twice', () => {
    for (const typed of [
      '用户@例子.广告',
      'İstanbul@EXAMPLE.com',
      'Straße@Straße.example',
      'ﬁ@example.com',
    ]) {
      const once = normalizeEmail(typed) ?? '';
      expect(once).not.toBe('');
      expect(normalizeEmail(once)).toBe(once);
    }
  });

  it.each([
    ['nothing', ''],
    ['no at sign', 'example.com'],
    ['no local part', '@example.com'],
    ['no domain', 'ann@'],
    ['two at signs', 'ann@b@example.com'],
    ['a space inside', 'an n@example.com'],
    ['a zero-width space', 'an\u200bn@example.com'],
    ['a zero-width joiner in the domain', 'ann@exam\u200dple.com'],
    ['a soft hyphen in the domain', 'ann@exam\u00adple.com'],
    ['a byte order mark inside', 'a\ufeffnn@example.com'],
    ['a direction mark', '\u202eann@example.com'],
    ['a variation selector', 'ann\ufe0f@example.com'],
    ['a Hangul filler', 'ann\u3164@example.com'],
    ['NUL', 'ann\0@example.com'],
    ['a line break inside', 'ann\n@example.com'],
    ['a lone surrogate', 'ann\ud800@example.com'],
    ['a dot at the beginning', '.ann@example.com'],
    ['two dots', 'an..n@example.com'],
    ['a dot before the at sign', 'ann.@example.com'],
    ['quotes', '"ann"@example.com'],
    ['a comment', 'ann(x)@example.com'],
    ['an empty label', 'ann@example..com'],
    ['a hyphen at the end of a label', 'ann@example-.com'],
    ['an underscore in the domain', 'ann@ex_ample.com'],
    ['percent-encoding in the domain', 'ann@ex%41mple.com'],
    ['an IPv4 address', 'ann@192.0.2.1'],
    ['a number', 'ann@1'],
    ['a hexadecimal number', 'ann@0x7f000001'],
    ['an address literal', 'ann@[192.0.2.1]'],
    ['a path', 'ann@example.com/x'],
    ['a port', 'ann@example.com:25'],
    ['65 octets before the at sign', `${'a'.repeat(65)}@example.com`],
    ['255 octets', `ann@${'a.'.repeat(123)}exa.co`],
  ])('refuses %s', (_, typed) => {
    expect(normalizeEmail(typed)).toBeUndefined();
  });
});

describe('normalizeEmailPrefix', () => {
  it('normalizes addresses and beginnings of addresses', () => {
    expect(normalizeEmailPrefix(' Ann@B\u00fccher.example')).toBe('ann@xn--bcher-kva.example');
    expect(normalizeEmailPrefix(' ANN.')).toBe('ann.');
    expect(normalizeEmailPrefix('Jose\u0301')).toBe('jos\u00e9');
  });
});
