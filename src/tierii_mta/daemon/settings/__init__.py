"""Settings: the model, where values come from, and the errors that name file, line and key.

model      every key, its default, its meaning          values     durations, sizes, listening addresses
sources    file, .env, environment, --set               expansion  ${env:NAME}, ${file:PATH}, relative paths
shape      the model as a tree of keys                  checks     what needs more than one key
loading    precedence, origins, LoadedSettings          describe   the sample file and the reference page
"""

from tierii_mta.daemon.settings.loading import LoadedSettings, SettingsError, load_settings, settings_from
from tierii_mta.daemon.settings.model import Settings
from tierii_mta.daemon.settings.values import Endpoint

__all__ = ["Endpoint", "LoadedSettings", "Settings", "SettingsError", "load_settings", "settings_from"]
