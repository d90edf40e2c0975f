-- When the password of an account was set: what was obtained with an earlier one does not hold any more.
ALTER TABLE account ADD COLUMN password_set_s INTEGER NOT NULL DEFAULT 0;
