-- near_arrivals: the first pairs of texts that are near, one of them new, with what is said of both, the nearest first.
SELECT near.jaccard, near.containment, near.left_id > $newest AS both_new,
       {'text': lower(hex(new_text.digest)), 'id': new.id, 'document': new.document, 'documents': new.documents,
        'origin': new.origin, 'generation': new.generation, 'generation_exact': new.generation_exact,
        'generator': new.generator, 'source': new.source, 'license': new.license} AS new,
       {'text': lower(hex(old_text.digest)), 'id': old.id, 'document': old.document, 'documents': old.documents,
        'origin': old.origin, 'generation': old.generation, 'generation_exact': old.generation_exact,
        'generator': old.generator, 'source': old.source, 'license': old.license} AS near_to
FROM near
JOIN saying AS new ON new.text_id = near.right_id AND new.place = 1
JOIN saying AS old ON old.text_id = near.left_id AND old.place = 1
JOIN text AS new_text ON new_text.text_id = near.right_id
JOIN text AS old_text ON old_text.text_id = near.left_id
ORDER BY near.jaccard DESC, near.containment DESC, new_text.digest, old_text.digest
LIMIT $limit
