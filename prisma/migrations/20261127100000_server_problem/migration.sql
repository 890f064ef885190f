-- Why a part of a server does not work, as its agent reports.
ALTER TABLE "servers" ADD COLUMN "problem" TEXT;
