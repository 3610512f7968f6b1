-- Entries by day and kind, counted without reading their texts.
CREATE INDEX entries_day ON entries (first_seen, story_kind, baseline);
DROP INDEX entries_first_seen;
-- The newest messages of a state.
CREATE INDEX outbox_newest ON outbox (state, id);
