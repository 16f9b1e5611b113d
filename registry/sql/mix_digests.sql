-- mix_digests: all mixes, newest first.
SELECT lower(hex(digest)) FROM mix ORDER BY mix_id DESC
