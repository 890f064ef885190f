-- Of a code of fewer than 16 characters the hint is the last quarter, padded with asterisks: four characters of six leave
-- too little to guess. The ciphertext has 29 bytes more than the code.
UPDATE "redemption_codes"
SET "hint" = lpad(right("hint", (octet_length("ciphertext") - 29) / 4), 4, '*')
WHERE octet_length("ciphertext") - 29 < 16 AND "hint" NOT LIKE '*%';

UPDATE "orders" SET "code_hint" = c."hint"
FROM "redemption_codes" c
WHERE c."id" = "orders"."code_id" AND c."hint" LIKE '*%' AND "orders"."code_hint" <> c."hint";

UPDATE "redemptions" SET "code_hint" = c."hint"
FROM "redemption_codes" c
WHERE c."id" = "redemptions"."code_id" AND c."hint" LIKE '*%' AND "redemptions"."code_hint" <> c."hint";
