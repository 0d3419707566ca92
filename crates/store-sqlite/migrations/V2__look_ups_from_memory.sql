-- Look-ups are answered from memory, so no table needs an index in another order than its own: each only grows at its
-- end, and what a commit writes is what is new, however large the tables are.

-- Who owns a value stands with its bearer.
ALTER TABLE contacts ADD COLUMN owns_email INTEGER NOT NULL DEFAULT 0;     -- 1: this contact owns `email`
ALTER TABLE contacts ADD COLUMN owns_phone INTEGER NOT NULL DEFAULT 0;     -- 1: this contact owns `phone`
ALTER TABLE contacts ADD COLUMN owns_declared TEXT;                        -- JSON array: those of `declared` that it owns

UPDATE contacts SET owns_email = 1
FROM identifiers
WHERE identifiers.kind = 'email' AND identifiers.workspace = contacts.workspace
    AND identifiers.contact_id = contacts.id AND identifiers.value = contacts.email;

UPDATE contacts SET owns_phone = 1
FROM identifiers
WHERE identifiers.kind = 'phone' AND identifiers.workspace = contacts.workspace
    AND identifiers.contact_id = contacts.id AND identifiers.value = contacts.phone;

UPDATE contacts SET owns_declared = (
    SELECT json_group_array(identifiers.kind)
    FROM json_each(contacts.declared) AS borne
    JOIN identifiers ON identifiers.workspace = contacts.workspace
        AND identifiers.kind = borne.key AND identifiers.value = borne.value
    WHERE identifiers.contact_id = contacts.id
)
WHERE declared IS NOT NULL;

DROP INDEX contacts_by_primary;
DROP TABLE identifiers;

-- Who owns a value: the oldest contact of its identity that bears it.
CREATE VIEW identifiers AS
SELECT workspace, 'email' AS kind, email AS value, id AS contact_id FROM contacts WHERE owns_email = 1
UNION ALL
SELECT workspace, 'phone', phone, id FROM contacts WHERE owns_phone = 1
UNION ALL
SELECT contacts.workspace, borne.key, borne.value, contacts.id
FROM contacts, json_each(contacts.declared) AS borne
WHERE borne.key IN (SELECT owned.value FROM json_each(contacts.owns_declared) AS owned);

-- A merge of very many contacts is one event, and its rows follow in several transactions. Up to this event, all rows
-- link as the log says; what is after it in the log is added by whoever reads.
ALTER TABLE workspaces ADD COLUMN linked_sequence INTEGER NOT NULL DEFAULT 0;
UPDATE workspaces SET linked_sequence = last_sequence;
