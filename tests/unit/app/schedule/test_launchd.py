"""The property list of launchd."""

from __future__ import annotations

import plistlib

from tests.unit.app.schedule.tasks import ODD, ODD_TEXTS, PLAIN
from vault.app.schedule.launchd import plist

GOLDEN = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>dev.pgvault.NAME</string>
	<key>ProgramArguments</key>
	<array>
		<string>/opt/pgvault/bin/pgvault</string>
		<string>schedule</string>
		<string>run</string>
		<string>--source</string>
		<string>app</string>
		<string>--if-due</string>
	</array>
	<key>WorkingDirectory</key>
	<string>/srv/shop</string>
	<key>EnvironmentVariables</key>
	<dict>
		<key>HOME</key>
		<string>/home/ada</string>
		<key>PATH</key>
		<string>/usr/bin:/bin</string>
		<key>PGVAULT_CONFIG</key>
		<string>/srv/shop/pgvault.toml</string>
	</dict>
	<key>StartCalendarInterval</key>
	<array>
		<dict>
			<key>Hour</key>
			<integer>3</integer>
			<key>Minute</key>
			<integer>10</integer>
		</dict>
		<dict>
			<key>Hour</key>
			<integer>15</integer>
			<key>Minute</key>
			<integer>10</integer>
		</dict>
	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>ProcessType</key>
	<string>Background</string>
	<key>LowPriorityIO</key>
	<true/>
	<key>Nice</key>
	<integer>10</integer>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardOutPath</key>
	<string>/var/log/x.log</string>
	<key>StandardErrorPath</key>
	<string>/var/log/x.log</string>
</dict>
</plist>
"""


def test_the_property_list_is_this() -> None:
    assert plist(PLAIN, log="/var/log/x.log").replace(PLAIN.name, "NAME") == GOLDEN


def test_any_text_comes_back_as_it_was() -> None:
    value = plistlib.loads(plist(ODD, log="/l").encode())
    assert value["ProgramArguments"][3:-1] == list(ODD_TEXTS)
    assert value["EnvironmentVariables"] == ODD.environment
    assert value["StartCalendarInterval"] == [{"Weekday": 0, "Hour": 3, "Minute": 10}]
