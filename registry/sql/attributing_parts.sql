-- attributing_parts: the parts in which documents of unknown origin are attributed.
SELECT DISTINCT part FROM attributing ORDER BY part
