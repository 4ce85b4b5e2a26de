-- What may have to be looked at when old bodies are erased, beside what was ignored.
CREATE INDEX webhook_mapped_with_body ON webhook (received_at, id) WHERE state = 'mapped' AND erased_at IS NULL;
