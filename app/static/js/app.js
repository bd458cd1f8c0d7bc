// The page's behaviour, by part. Nothing here holds a job's truth: the server renders, we place it.
import { watchActions } from "./actions.js";
import { watchComboboxes } from "./combobox.js";
import { restoreOnBack, trackHistory } from "./history.js";
import { openJobInfo, watchDialogs } from "./dialogs.js";
import { watchLinks } from "./links.js";
import { startLive } from "./live.js";
import { watchKeys } from "./keyboard.js";
import { watchPreferences } from "./preferences.js";
import { watchRecords } from "./records.js";
import { watchRequests } from "./requests.js";
import { watchRows } from "./rows.js";
import { watchSession } from "./session.js";
import { keepTimes } from "./times.js";
import { showWaitingToasts } from "./toasts.js";
import { watchUploads } from "./uploads.js";
import { watchZones } from "./zones.js";

/** Open the popup of a job from anywhere: `OpenJobInfoPopup(42)`. */
window.OpenJobInfoPopup = openJobInfo;

watchSession();
watchRequests();
trackHistory();
restoreOnBack();
watchDialogs();
watchActions();
watchLinks();
watchKeys();
watchComboboxes();
watchRecords();
watchRows();
watchUploads();
watchZones();
watchPreferences();
keepTimes();
showWaitingToasts();
startLive();
