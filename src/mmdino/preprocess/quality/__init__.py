"""Is what preprocessing made right? ``measure`` puts a patient into numbers, ``judge`` says what they mean in a cohort."""
