"""The files of a result: whole or not there, one writer, parts while a run goes on, guards."""
