-- mix_header: the digest and the spec of a mix.
SELECT lower(hex(digest)), spec::VARCHAR FROM mix WHERE mix_id = $mix_id
