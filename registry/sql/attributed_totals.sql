-- attributed_totals: how many documents were attributed, how many by the prior alone, and how many models' to expect.
SELECT count(*) AS documents, count(*) FILTER (len(kinds) = 0) AS without_evidence,
       coalesce(sum(p_model), 0) AS expected
FROM attributed
