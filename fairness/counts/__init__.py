"""What was counted: tables read into counts per group."""
