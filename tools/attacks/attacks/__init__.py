"""The published attacks, each written from its advisory."""

from attacks import desktop_commander, everything, excel, figma, filesystem, git, inspector, markitdown, postgres, python_sdk, sdk, sqlite

ATTACKS = (
    *filesystem.ATTACKS,
    *git.ATTACKS,
    *excel.ATTACKS,
    *desktop_commander.ATTACKS,
    *figma.ATTACKS,
    *markitdown.ATTACKS,
    *sqlite.ATTACKS,
    *postgres.ATTACKS,
    *everything.ATTACKS,
    *sdk.ATTACKS,
    *python_sdk.ATTACKS,
    *inspector.ATTACKS,
)
