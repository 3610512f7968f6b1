-- Times are microseconds since 1970 UTC, days are days since 1970 UTC. Ids of entries, stories and
-- outbox rows are ULIDs as text; feeds have small integers because `seen` repeats them.

CREATE TABLE feeds (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  shard INTEGER NOT NULL,
  active INTEGER NOT NULL,
  added_at INTEGER NOT NULL,
  removed_at INTEGER,
  next_at INTEGER NOT NULL,
  baselined_at INTEGER,
  etag TEXT,
  last_modified TEXT,
  body_hash BLOB,
  last_poll_at INTEGER,
  last_ok_at INTEGER,
  last_new_at INTEGER,
  last_status TEXT NOT NULL,
  failures INTEGER NOT NULL,
  entries_seen INTEGER NOT NULL,
  moved_to TEXT,
  disabled_reason TEXT,
  title TEXT,
  extra TEXT NOT NULL,
  -- The last day on which the feed's keys were refreshed. Keys of that day are in the feed still,
  -- as far as we know: a feed that answers 304 for a year keeps them.
  parsed_day INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX feeds_due ON feeds (next_at) WHERE active = 1;
CREATE INDEX feeds_due_shard ON feeds (shard, next_at) WHERE active = 1;

CREATE TABLE seen (
  feed_id INTEGER NOT NULL,
  key BLOB NOT NULL,
  kind INTEGER NOT NULL,
  day INTEGER NOT NULL,
  entry_id TEXT NOT NULL,
  PRIMARY KEY (feed_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
  -- AUTOINCREMENT: a number is never given twice, so that a stale posting in the text index can
  -- never point at another entry.
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  feed_id INTEGER NOT NULL,
  story_id TEXT NOT NULL,
  story_kind TEXT NOT NULL,
  duplicate_of TEXT,
  baseline INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  published INTEGER,
  url TEXT,
  title TEXT NOT NULL,
  summary TEXT NOT NULL,
  content TEXT NOT NULL,
  source TEXT NOT NULL,
  language TEXT,
  outcome TEXT NOT NULL,
  rest TEXT NOT NULL
) STRICT;
CREATE INDEX entries_first_seen ON entries (first_seen);
CREATE INDEX entries_story ON entries (story_id);
CREATE INDEX entries_url ON entries (url) WHERE url IS NOT NULL;
CREATE INDEX entries_feed ON entries (feed_id);

CREATE TABLE matches (
  entry_id TEXT NOT NULL,
  rule TEXT NOT NULL,
  score REAL NOT NULL,
  key TEXT,
  hits TEXT NOT NULL,
  PRIMARY KEY (entry_id, rule)
) STRICT, WITHOUT ROWID;

CREATE TABLE stories (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  sources TEXT NOT NULL,
  entries INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE INDEX stories_last_seen ON stories (last_seen);

CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  channel TEXT NOT NULL,
  kind TEXT NOT NULL,
  story_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  first_try INTEGER,
  last_try INTEGER,
  looks INTEGER NOT NULL,
  receipt_ts TEXT,
  receipt_channel TEXT,
  error TEXT NOT NULL,
  UNIQUE (story_id, channel, kind, revision)
) STRICT;
CREATE INDEX outbox_queued ON outbox (not_before) WHERE state = 'queued';
CREATE INDEX outbox_open ON outbox (state, created_at);

CREATE TABLE blobs (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Our own tokens, encoded so that FTS5's `ascii` tokenizer takes each as one token. No copy of the
-- text is kept in the index (content='').
CREATE VIRTUAL TABLE entries_text USING fts5 (
  title, summary, content, content = '', detail = full, tokenize = 'ascii'
);
