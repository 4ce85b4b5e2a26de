-- How each decision came about, for people. NULL for those made before this was kept.
ALTER TABLE decision ADD COLUMN trace TEXT;     -- JSON: what was recognised, where values came from, which rules were tried
