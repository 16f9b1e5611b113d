-- learnt_from: what each model and mix has directly behind it, and by how many steps.
SELECT from_kind, from_id, kind, id, steps FROM learnt_from
