-- Default privileges, which nothing that comes after them shall obey.
alter default privileges grant usage on types to zoo_anon;
alter default privileges in schema kinds grant all on sequences to zoo_anon with grant option;
alter default privileges for role zoo_owner grant usage on schemas to zoo_other;
alter default privileges for role zoo_owner revoke usage on types from public;
alter default privileges grant all on tables to zoo_reader;
