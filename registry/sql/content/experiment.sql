-- content/experiment: experiments, whose digests commit to their specs.
SELECT batch_id, digest AS key, netstring(name) || netstring(spec::VARCHAR) AS body FROM experiment JOIN asked USING (batch_id)
