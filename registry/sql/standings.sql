-- standings: of each text that may be a duplicate the best standing of its documents, in that order.
SELECT text_id, min(standing) AS standing FROM ranked GROUP BY text_id ORDER BY standing
