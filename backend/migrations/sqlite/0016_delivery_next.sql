-- Whether a delivery has become due since the last look is asked by time alone, across all endpoints: from where
-- that look ended, past the entries of what was delivered before and can't be cleared away yet.
CREATE INDEX webhook_delivery_next ON webhook_delivery (next_at) WHERE state = 'pending';
