-- Whether an e-mail address is in its one form for certain: a dot-string of ASCII in lower case, and a host name.
CREATE FUNCTION tessera_is_plain_email(address text) RETURNS boolean
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN address COLLATE "C" ~ '^[a-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&''*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9-]*[a-z]$';

-- A start of the service brings the others into their one form.
CREATE INDEX "identities_odd_email_idx" ON "identities" ("id")
  WHERE "type" = 'EMAIL' AND NOT tessera_is_plain_email("value");
