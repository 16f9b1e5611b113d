-- move_model: say where the weights of a model lie now.
UPDATE model SET path = $path WHERE digest = $digest AND path IS DISTINCT FROM $path
