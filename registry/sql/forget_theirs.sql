-- forget_theirs: drop what was staged of another registry.
DROP TABLE IF EXISTS their_text;
DROP TABLE IF EXISTS their_document;
DROP TABLE IF EXISTS their_declaration;
DROP TABLE IF EXISTS their_derivation;
DROP TABLE IF EXISTS their_length;
DROP TABLE IF EXISTS their_annotation;
DROP TABLE IF EXISTS their_holdout;
DROP TABLE IF EXISTS their_measurement;
DROP TABLE IF EXISTS their_picture;
DROP TABLE IF EXISTS their_detection;
DROP TABLE IF EXISTS their_attribution;
DROP TABLE IF EXISTS their_mix_document;
DROP TABLE IF EXISTS met_text;
DROP TABLE IF EXISTS met_document;
DROP TABLE IF EXISTS told_annotation;
DROP TABLE IF EXISTS circle;
