-- What people may see depends on the entitlement, so that lists look for it.
ALTER TABLE access_request ADD COLUMN entitlement TEXT NOT NULL DEFAULT '';
ALTER TABLE access_grant ADD COLUMN entitlement TEXT NOT NULL DEFAULT '';
UPDATE access_request SET entitlement = coalesce(record ->> 'entitlement', '');
UPDATE access_grant SET entitlement = coalesce(record ->> 'entitlement', '');
