-- forget_mix_composition: drop what mixes are made of now, for it to be counted again.
DELETE FROM mix_composition WHERE NOT as_drawn
