import { describe, expect, it } from 'vitest';
import { createSecrets, DecryptionError, equalSecrets } from '../../../src/platform/keys/secrets.ts';

const OLD = 'the root secret of last year, long enough';
const NEW = 'the root secret of this year, long enough';
const before = createSecrets({ secretKey: OLD });
const rotating = createSecrets({ secretKey: NEW, previousSecretKey: OLD });
const after = createSecrets({ secretKey: NEW });

describe('mac', () => {
  it('depends on exactly the root secret, the purpose and the data, and has 32 bytes', () => {
    const mac = before.mac('code', 'ABCD');

    expect(mac).toHaveLength(32);
    expect(createSecrets({ secretKey: OLD }).mac('code', 'ABCD')).toEqual(mac);
    expect(before.mac('code', 'ABCE')).not.toEqual(mac);
    expect(before.mac('cursor', 'ABCD')).not.toEqual(mac);
    expect(after.mac('code', 'ABCD')).not.toEqual(mac);
  });

  it('encodes text as UTF-8', () => {
    expect(before.mac('code', Buffer.from('Straße', 'utf8'))).toEqual(before.mac('code', 'Straße'));
  });
});

describe('macs', () => {
  it('returns the MAC of the current key first, then that of the previous key', () => {
    expect(rotating.macs('code', 'ABCD')).toEqual([after.mac('code', 'ABCD'), before.mac('code', 'ABCD')]);
    expect(after.macs('code', 'ABCD')).toHaveLength(1);
  });
});

describe('verifyMac', () => {
  it('accepts MACs of the current and the previous key only', () => {
    expect(rotating.verifyMac('code', 'ABCD', after.mac('code', 'ABCD'))).toBe(true);
    expect(rotating.verifyMac('code', 'ABCD', before.mac('code', 'ABCD'))).toBe(true);
    expect(after.verifyMac('code', 'ABCD', before.mac('code', 'ABCD'))).toBe(false);
    expect(after.verifyMac('link', 'ABCD', after.mac('code', 'ABCD'))).toBe(false);
    expect(after.verifyMac('code', 'ABCD', Buffer.alloc(0))).toBe(false);
    expect(after.verifyMac('code', 'ABCD', after.mac('code', 'ABCD').subarray(1))).toBe(false);
  });
});

describe('encrypt', () => {
  it('round-trips text and bytes through decrypt, including empty ones', () => {
    for (const plaintext of ['', 'ABCD-1234', 'Straße', Buffer.of(0, 255, 128)]) {
      expect(after.decrypt('code', after.encrypt('code', plaintext))).toEqual(Buffer.from(plaintext));
    }
  });

  it('never returns the same ciphertext twice, and does not contain the plaintext', () => {
    const [one, other] = [after.encrypt('code', 'ABCD'), after.encrypt('code', 'ABCD')];

    expect(one).not.toEqual(other);
    expect(one.includes('ABCD')).toBe(false);
  });
});

describe('decrypt', () => {
  it('decrypts values of the previous key until it is removed', () => {
    const sealed = before.encrypt('code', 'ABCD');

    expect(rotating.decrypt('code', sealed).toString()).toBe('ABCD');
    expect(() => after.decrypt('code', sealed)).toThrow(DecryptionError);
    expect(after.decrypt('code', rotating.encrypt('code', 'ABCD')).toString()).toBe('ABCD');
  });

  it('rejects another purpose or another aad', () => {
    const sealed = after.encrypt('code', 'ABCD', 'row 1');

    expect(after.decrypt('code', sealed, 'row 1').toString()).toBe('ABCD');
    expect(() => after.decrypt('code', sealed, 'row 2')).toThrow(DecryptionError);
    expect(() => after.decrypt('code', sealed)).toThrow(DecryptionError);
    expect(() => after.decrypt('link', sealed, 'row 1')).toThrow(DecryptionError);
  });

  it('rejects any flipped bit and any other length', () => {
    const sealed = after.encrypt('code', 'ABCD');
    for (let at = 0; at < sealed.length; at++) {
      const tampered = Buffer.from(sealed);
      tampered.writeUInt8(sealed.readUInt8(at) ^ 1, at);
      expect(() => after.decrypt('code', tampered)).toThrow(DecryptionError);
      expect(() => after.decrypt('code', sealed.subarray(0, at))).toThrow(DecryptionError);
    }
  });
});

describe('equalSecrets', () => {
  it('compares contents and lengths', () => {
    expect(equalSecrets(Buffer.from('same'), Buffer.from('same'))).toBe(true);
    expect(equalSecrets(Buffer.from('same'), Buffer.from('sane'))).toBe(false);
    expect(equalSecrets(Buffer.from('same'), Buffer.from('same but longer'))).toBe(false);
  });
});
