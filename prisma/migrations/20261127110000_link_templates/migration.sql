-- Templates of subscription links by format; the built-in ones are used for the others.
ALTER TABLE "site_settings" ADD COLUMN "link_templates" JSONB NOT NULL DEFAULT '{}';
