"""What can be seen of a running realm: series, machine readings, alerts. Changes nothing that it watches."""
