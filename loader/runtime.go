package loader

import (
	"encoding/json"
	"fmt"
)

// parseRuntime reads Envoy's /runtime and returns the final value of each key.
func parseRuntime(raw []byte) (map[string]string, error) {
	var page struct {
		Entries map[string]struct {
			FinalValue string `json:"final_value"`
		} `json:"entries"`
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		return nil, fmt.Errorf(`reading runtime: expected {"entries": {key: {"final_value": "..."}}}: %w`, err)
	}
	values := make(map[string]string, len(page.Entries))
	for key, entry := range page.Entries {
		values[key] = entry.FinalValue
	}
	return values, nil
}
