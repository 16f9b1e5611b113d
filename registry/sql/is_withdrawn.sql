-- is_withdrawn: whether there is such a withdrawal already, and where it is to erase, one that did.
SELECT count(*) > 0 FROM withdrawal WHERE scope = $scope AND value = $value AND erased >= $erased
