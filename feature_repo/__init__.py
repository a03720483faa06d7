from feature_repo.feast_import import leave_checks_out

leave_checks_out()
